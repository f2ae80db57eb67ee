"""The witness (见证方): a small process of a department that cosigns the heads of evidence logs.

Owns: its key, its memory of the newest head of each log, the protocol C2SP tlog-witness. May import: `verifier`, the
trust file of `api.gate`; never the registry or its database. Promises: a head is on the disk before its cosignature
exists; no two cosigned heads of one log contradict each other, whatever is killed when.
"""
