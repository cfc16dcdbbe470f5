"""All tests: a room for each part of the product, one for the whole system, one for all other files.

README.md beside this file lists the rooms, the commands and the way from a found history to a named case.
"""
