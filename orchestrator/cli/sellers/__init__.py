"""The commands that add and change sellers' accounts, and the questions that they ask."""
