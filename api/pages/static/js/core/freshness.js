// How old the trust bundle is that a verdict rests on: in time, late (a warning), or too old to decide by
// (verifier/freshness.py).

export async function examineFreshness(exam, trust, maxAge) {
  await exam.run("freshness", () => trust.checkFresh(exam.at, maxAge), trust.issuedAt);
  if (exam.results.get("freshness").outcome === "passed" && trust.lateSince(exam.at) !== null) exam.warn("freshness", "trust_late");
}
