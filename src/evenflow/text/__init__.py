"""Text of records, from bytes to rows: one reader for training and for scoring.

``form`` says what a file is, ``blocks`` cuts it into lines of UTF-8, ``header`` finds
names and delimiter, ``delimited`` reads the rows. Nothing here knows where a file
comes from or what its rows are for.
"""
