"""Suggest: what do requests that were not sure say about the routes?"""
