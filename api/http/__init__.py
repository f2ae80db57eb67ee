"""HTTP: who calls (callers), what they may (guard), how an error looks (problems), one module of routes for each noun.

May import the registry's services, the verifier and the codes; knows neither SQL nor the chain. The walk enters here as
bytes, leaves as a draft for the registry, and comes back as an answer that was stored in the transaction of the write.
"""
