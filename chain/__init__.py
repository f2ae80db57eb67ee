"""Speaks to the EVM: the embedded chain, a node by URL, the contracts, one owner of the nonce.

Owns: the embedded chain's file, the outbox of transactions, the record of the deployment, the chain account's key.
May import: `verifier`, and `contracts` as data. The only folder that imports web3, py-evm and eth-tester; none of their
types leave it: callers see bytes, int, str, datetime and the dataclasses here.
Promises: an acknowledged transaction is on the chain after any kill; a repeated call gives the first answer.
The walk enters with a head of the log (`opening.Chain.anchor`) and leaves with the `Anchor` read back from the chain.
"""
