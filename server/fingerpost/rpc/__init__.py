"""The gRPC edge: life cycle, handlers, conversion, errors."""
