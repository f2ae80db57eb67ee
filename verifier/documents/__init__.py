"""Files made by others: what they are, and what their seals and signatures are worth (验章).

Owns the reading of OFD, PDF and pictures and the judging of e-seals. Imports the verifier and, for PDF only and when
asked, pyHanko. Promises the verifier's promises: pure functions of bytes, trusted roots and time, no network, bounded
work, no exception but `VerificationError`. The door is `verifier.documents.inspecting.inspect`.
"""
