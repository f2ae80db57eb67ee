// Extracts in the reader: judged here, with the certificate's evidence bundle if that came along, and what they tell.

import { UNDECIDED } from "../core/errors.js";
import { OPEN_FIELDS, examineExtract } from "../core/extract.js";
import { doubt } from "./judging.js";

const IN_HEAD = [...OPEN_FIELDS, "holder_code_type_code"];

// {state, reason, checks, told}: `told` is what it says, null where nothing of it is believed.
// asked: {receiver, challenge, evidence}, as far as they are there.
export async function judgeExtract(bytes, asked, trust, at) {
  const doubted = doubt(trust, at);
  if (doubted) return { state: UNDECIDED, reason: doubted, claims: null, told: null };
  const { verdict, claims, type } = await examineExtract(bytes, trust, at, asked);
  return { ...verdict, claims: null, told: claims && { claims, fields: fieldsOf(claims.certificate, schemaOf(trust, type)) } };
}

function schemaOf(trust, { code, version }) {
  return trust.content.types.find((type) => type.code === code && type.version === version)?.schema.properties ?? {};
}

// [[name, title or null, value]]: what the disclosures tell, holders first.
function fieldsOf(certificate, properties) {
  const { holders = [], extend_info: own = {}, ...rest } = certificate;
  const plain = (value) => (Array.isArray(value) ? value.map(plain).join("、") : typeof value === "object" ? JSON.stringify(value) : String(value));
  const named = (members) => Object.entries(members).filter(([name]) => !IN_HEAD.includes(name));
  const told = [...holders.flatMap(named), ...named(rest)].map(([name, value]) => [name, null, plain(value)]);
  return [...told, ...named(own).map(([name, value]) => [name, properties[name]?.title ?? name, plain(value)])];
}
