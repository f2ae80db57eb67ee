"""The evidence log (存证日志): outbox, sequencer, tiles, checkpoints, receipts.

Owns the tables `log_state`, `log_entries`, `checkpoints`, `anchors` and the tiles folder, which is derived from them.
May import `verifier` (every byte format), `registry.keys` and `chain.errors`. Promises: an entry submitted in a
committed transaction gets exactly one index; nothing is signed or published that the stored heads contradict. The walk
enters at `service.submit`, is moved on by `registry.pipeline`, and leaves at `receipts.receipt_of`.
"""
