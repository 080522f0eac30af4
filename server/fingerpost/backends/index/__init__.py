"""Vector indexes by FAISS: the kinds, and the order in which a build tries them."""
