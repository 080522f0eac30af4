"""Rules of a policy: their expressions read and checked, and tried on the examples beside them.

At serving time the expressions are evaluated by an engine that shows no syntax tree and checks no types; what is here
makes sure, at reindex, that it will understand them, and finds what can be known of them without evaluating them.
"""
