"""The page of `fingerpost report`: a portrait of a revision as one file of HTML that needs nothing else."""
