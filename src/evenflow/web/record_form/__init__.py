"""One record entered by hand: a bundle's contract as a form, and back.

Values are raw, as a person knows them; labels, groups and examples are in plain
words. What is typed is read by the rules of :mod:`evenflow.conform`, so that a record
entered here gets the verdict that its row in a file gets.
"""
