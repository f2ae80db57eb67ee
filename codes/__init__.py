"""Codes as text and as pictures: payload bytes <-> text <-> QR.

Owns: `payload` (bytes <-> "SZ1:" text, standard library only), `picture` (text <-> SVG, PNG; image libraries) and
`pages` (pictures and the pages of documents -> text; the documents' readers run in `page_process`).
May import: nothing of this project, and `payload` nothing outside the standard library, because the offline verifier
stands on it. Promises: what is read is either exactly what was made or a PayloadError / PictureError; never a guess.
The walk enters with a signed code's bytes (step 6) and leaves with them again at the verifier (step 7).
"""
