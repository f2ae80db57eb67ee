// One gate of a venue, as api/gate/station.py has it: judges what is typed, one text after the other.

import { ADMITTED_KINDS, decide } from "../core/admission.js";
import { UNDECIDED } from "../core/errors.js";
import { doubt, judgeText } from "./judging.js";

// What staff type, or scan from a card at the desk, when the bearer of the printed code just shown is its holder.
const CONFIRMATIONS = ["OK", "确认", "放行"], CONFIRM_WITHIN = 60;

export class Station {
  // journal: null where another tab has it; then nobody is let in here.
  constructor(venueId, journal) {
    Object.assign(this, { venueId, journal, toConfirm: null, turn: Promise.resolve() });
  }

  // {state, reason, claims, due}, on the disk when this resolves. In turn: two showings of one code cannot both be first.
  judge(typed, trust, now) {
    const mine = this.turn.then(() => this.next(typed, trust, Math.floor(now)));
    this.turn = mine.catch(() => null);
    return mine;
  }

  confirm(trust, now) {
    return this.judge(CONFIRMATIONS[0], trust, now);
  }

  async next(typed, trust, now) {
    if (!this.journal) return { state: UNDECIDED, reason: "journal_in_use", claims: null };
    const confirmed = this.confirmed(typed, now);
    const found = await this.decide(confirmed ?? typed, trust, now, confirmed !== null);
    this.toConfirm = found.reason === "second_factor_due" ? { text: confirmed ?? typed, at: now } : null;
    try {
      await this.journal.record(found, found.claims, trust, found.at);
    } catch {
      return { ...found, state: UNDECIDED, reason: "not_recorded", due: false };
    }
    return found;
  }

  confirmed(typed, now) {
    if (!this.toConfirm || !CONFIRMATIONS.includes(typed.trim().toUpperCase())) return null;
    return now - this.toConfirm.at <= CONFIRM_WITHIN ? this.toConfirm.text : null;
  }

  // The steps: (1) clock and trust bundle can be believed, (2) the venue is known, (3) the code's verdict, (4) decide.
  async decide(text, trust, now, bearerSeen) {
    const { newestAt, trustVersion } = this.journal.state, undecided = (reason, at) => ({ state: UNDECIDED, reason, claims: null, at });
    const doubted = doubt(trust, now, newestAt) ?? (trust.version < trustVersion ? "rolled_back" : null);
    if (doubted) return undecided(doubted, now);
    const at = Math.max(now, newestAt), venue = trust.venues.get(this.venueId);
    if (!venue) return undecided("unknown_venue", at);
    const { verdict, claims } = await judgeText(text, trust, at, ADMITTED_KINDS);
    const answer = decide(verdict, claims, venue, trust, at, this.journal.seen, bearerSeen);
    return { ...answer, claims, at, verdictState: verdict.state, checks: verdict.checks, due: answer.reason === "second_factor_due" };
  }
}
