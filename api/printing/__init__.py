"""Paper: data and a template become a PDF with its Chinese font inside.

`printer.py` is the way in, `fonts.py` finds the font, `templates/` holds one typst file for each kind of sheet.
"""
