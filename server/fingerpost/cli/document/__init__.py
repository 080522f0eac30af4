"""The page about a revision for those who review it, in Markdown and in HTML."""
