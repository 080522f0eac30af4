"""Diff: which decisions change from one revision to another, why, and is that for the better?"""
