"""Files of many certificates: bytes of CSV or XLSX -> a sheet of text cells -> drafts, or errors naming row and column.

Pure: no database, no HTTP. Promises that every row of the file is accounted for, and that a file which cannot
be read whole is refused whole.
"""
