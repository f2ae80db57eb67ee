// The verdict that fills the screen: shape and word first, the one reason, and the rest on demand.

import { seconds } from "../core/multisigned.js";

const TONES = { valid: [[880, 0, 0.14]], invalid: [[220, 0, 0.18], [220, 0.26, 0.18]] };
const ORDER = [
  "format", "signature", "issuer", "schema", "commitment", "files", "inclusion", "anchor", "witnesses", "status", "validity", "kind",
  "delegation", "freshness", "holder", "possession", "receiver",
];

export class Panel {
  constructor(part, texts) {
    Object.assign(this, { part, texts, sound: false, audio: null, address: null, drawn: null });
  }

  // found: {state, reason, checks, claims or face, due, …}; `isGate`: in the words of a door.
  show(found, trust, isGate) {
    const panel = this.part("verdict");
    this.draw(found, trust, isGate);
    this.offer(found.state === "valid" ? found.file : null);
    panel.hidden = false;
    panel.scrollTop = 0;
    panel.focus({ preventScroll: true });
    this.signal(found.state);
  }

  // In another language: the same verdict, and nothing else happens.
  redraw() {
    if (this.drawn && !this.part("verdict").hidden) this.draw(...this.drawn);
  }

  draw(found, trust, isGate) {
    const { part, texts } = this, panel = part("verdict");
    this.drawn = [found, trust, isGate];
    panel.className = `verdict gate-verdict verdict-${found.state}`;
    panel.dataset.state = found.state;
    panel.dataset.reason = found.reason;
    panel.dataset.gate = isGate ? "yes" : "no";
    for (const shape of panel.querySelectorAll("[data-shape]")) shape.hidden = shape.dataset.shape !== found.state;
    part("word").textContent = found.reason === "not_ours" ? texts.notOurs : (isGate ? texts.gate : texts.words)[found.state];
    part("reason").textContent = found.state === "valid" && !isGate ? texts.holds : this.reason(found.reason, found.state, isGate);
    this.list(part("facts"), isGate || found.state === "invalid" ? [] : this.facts(found, trust));
    this.list(part("remarks"), isGate ? [] : this.remarks(found));
    this.checks(isGate ? [] : found.checks ?? []);
    part("confirm").hidden = !(isGate && found.due);
    part("look").hidden = !found.due;
    part("compare").hidden = isGate || found.claims?.kind !== "derived" || found.state !== "valid";
  }

  hide() {
    this.part("verdict").hidden = true;
    this.offer(null);
  }

  // In the words of a door, or of a verdict; each of both knows some reasons that the other does not.
  reason(reason, state, isGate = false) {
    const { reasons, gateReasons, words } = this.texts, [first, second] = isGate ? [gateReasons, reasons] : [reasons, gateReasons];
    return first[reason] ?? second[reason] ?? words[state];
  }

  // [[label, value]]: only what is signed.
  facts({ claims, face, isCopy, told }, trust) {
    const { labels, kinds } = this.texts;
    if (told) return this.told(told, trust);
    if (claims?.kind === "delegated") return this.delegation(claims, trust);
    if (claims?.record) return this.foreign(claims);
    if (claims) {
      const grants = claims.grants.map((grant) => trust.venues.get(grant.ref)?.name ?? trust.types.get(grant.ref) ?? grant.ref);
      const venue = claims.kind === "venue" ? trust.venues.get(claims.subject) : null;
      return [
        [labels.kind, kinds[claims.kind]], [labels.name, venue?.name ?? claims.name], [labels.place, venue?.address ?? claims.place],
        [labels.grants, grants.join(" · ")], [labels.until, this.moment(claims.expiresAt)],
      ];
    }
    if (!face) return [];
    if (isCopy) {
      return [
        [labels.certificate, face.certificate_name], [labels.copyNumber, face.number], [labels.purpose, face.purpose],
        [labels.receiver, face.receiver], [labels.until, this.moment(seconds(face.expires_at))],
      ];
    }
    return [
      [labels.certificate, face.certificate_name], [labels.number, face.certificate_number],
      [labels.authority, face.issuing_authority_name], [labels.issued, this.day(face.issue_date)], [labels.validTo, this.day(face.valid_to)],
    ];
  }

  // What an extract tells: whose and until when first, then what its disclosures say.
  told({ claims, fields }, trust) {
    const { labels } = this.texts, { certificate } = claims;
    const receiver = trust.content.departments.find((department) => department.code === claims.aud)?.name ?? claims.aud;
    return [
      [labels.certificate, certificate.certificate_name], [labels.authority, certificate.issuing_authority_name],
      ...fields.map(([name, title, value]) => [title ?? labels[name] ?? name, value]),
      [labels.issued, this.day(certificate.issue_date)], [labels.validTo, this.day(certificate.valid_to)],
      [labels.purpose, `${claims.purpose} · ${claims.matter.name}`], [labels.receiver, receiver], [labels.until, this.moment(claims.exp)],
    ];
  }

  // Who acts for whom, how far and how long; the code names no person.
  delegation({ kind, name, subject, links, reach }, trust) {
    const { labels, kinds, roles, unlimited } = this.texts, matters = trust.content.matters ?? {};
    const scope = [...(reach?.matters ?? []).map((code) => matters[code] ?? code), ...(reach?.types ?? []).map((code) => trust.types.get(code) ?? code)];
    return [
      [labels.kind, kinds[kind]], [labels.name, name], [labels.uscc, subject], [labels.chain, links.map((link) => roles[link.role]).join(" → ")],
      [labels.scope, scope.join(" · ") || unlimited], [labels.until, reach && this.moment(reach.endsAt)],
    ];
  }

  // Of another system's code as little as the verifier tells: whose it may be, in initials.
  foreign({ kind, record, country, issuer, name, day, doses, expiresAt }) {
    const { labels, kinds, records } = this.texts;
    return [
      [labels.kind, `${kinds[kind]} · ${records[record]}`], [labels.country, country], [labels.authority, issuer], [labels.bearer, name],
      [labels.day, day], [labels.doses, doses], [labels.until, this.moment(expiresAt)],
    ];
  }

  // What a valid thing still leaves open: a check that passed late, or one that was not asked for.
  remarks({ state, checks = [], compared }) {
    if (state !== "valid") return [];
    const open = checks.filter((one) => one.reason !== "ok" && one.reason !== "second_factor_due").map((one) => ["", this.reason(one.reason, state)]);
    return compared ? [["", this.texts.compared], ...open] : open;
  }

  list(place, pairs) {
    const rows = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
    place.hidden = !rows.length;
    place.replaceChildren(...rows.map(([label, value]) => {
      const row = document.createElement(label ? "div" : "li");
      if (!label) row.textContent = value;
      else row.append(make("dt", label), make("dd", String(value)));
      return row;
    }));
  }

  checks(checks) {
    const { part, texts } = this, rows = ORDER.flatMap((name) => checks.filter((one) => one.check === name));
    part("checks-box").hidden = !rows.length;
    part("checks-box").open = false;
    part("checks").replaceChildren(...rows.map((one) => {
      const row = make("li", ""), head = make("p", ""), said = one.reason === "ok" ? "" : this.reason(one.reason, "undecided");
      row.className = `reader-check reader-check-${one.outcome}`;
      head.append(make("b", texts.checks[one.check]), make("span", texts.outcomes[one.outcome]));
      row.append(head, ...(said ? [make("p", said)] : []));
      return row;
    }));
  }

  // The PDF that the bundle of a copy holds, to be laid beside the paper.
  offer(file) {
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = file ? URL.createObjectURL(new Blob([file], { type: "application/pdf" })) : null;
    const link = this.part("original");
    link.hidden = !file;
    if (file) link.href = this.address;
    else link.removeAttribute("href");
  }

  moment(at) {
    if (at > 253e9) return this.texts.longTerm;
    const form = { year: "numeric", month: "long", day: "numeric", hour: "2-digit", minute: "2-digit", timeZone: "Asia/Shanghai" };
    return new Intl.DateTimeFormat(document.documentElement.lang, form).format(new Date(at * 1000));
  }

  day(text) {
    if (!/^[0-9]{8}$/.test(text)) return text;
    const form = { year: "numeric", month: "long", day: "numeric", timeZone: "UTC" };
    return new Intl.DateTimeFormat(document.documentElement.lang, form).format(Date.UTC(text.slice(0, 4), text.slice(4, 6) - 1, text.slice(6)));
  }

  signal(state) {
    navigator.vibrate?.(state === "valid" ? 60 : [60, 60, 60]);
    if (!this.sound) return;
    this.audio ??= new AudioContext();
    for (const [pitch, from, length] of TONES[state] ?? TONES.invalid) {
      const tone = new OscillatorNode(this.audio, { frequency: pitch }), volume = new GainNode(this.audio, { gain: 0.2 });
      tone.connect(volume).connect(this.audio.destination);
      tone.start(this.audio.currentTime + from);
      tone.stop(this.audio.currentTime + from + length);
    }
  }
}

function make(tag, text) {
  return Object.assign(document.createElement(tag), { textContent: text });
}
