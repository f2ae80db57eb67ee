// The door of a venue on this device: its station, its journal, and how far that was handed in.

import * as store from "../core/store.js";
import { HandIn } from "./handing.js";
import { Journal } from "./journal.js";
import { Station } from "./station.js";

export class Door {
  constructor(part, texts) {
    Object.assign(this, { part, texts, venueId: null, station: null, journal: null, handing: null, outcome: { state: "done" }, turn: Promise.resolve() });
    part("token-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.keepToken(part("token").value.trim());
      part("token").value = "";
    });
    part("forget-token").addEventListener("click", () => this.keepToken(null));
    part("hand-in").addEventListener("click", () => this.handing?.run());
  }

  // From now on this is the door of that venue, or none. One after the other: the journal of the last venue is let go of
  // before the next is opened; who is judged meanwhile waits for it.
  enter(venueId) {
    this.venueId = venueId;
    this.turn = this.turn.then(() => this.change(venueId));
    return this.turn;
  }

  async change(venueId) {
    if (this.station?.venueId === venueId && (this.journal || !venueId)) return;
    this.handing?.close();
    await this.station?.turn;
    this.journal?.close();
    Object.assign(this, { station: null, journal: null, handing: null, outcome: { state: "done" } });
    if (venueId) {
      this.journal = await Journal.open(venueId, Math.floor(Date.now() / 1000)).catch(() => null);
      this.station = new Station(venueId, this.journal);
      navigator.storage?.persist?.();
    }
    if (this.journal) {
      this.handing = await HandIn.open(this.journal, (outcome) => {
        this.outcome = outcome;
        this.show();
      });
    }
    this.part("door").hidden = !venueId;
    await this.show();
  }

  judge(text, trust, now) {
    return this.decided((station) => station.judge(text, trust, now));
  }

  confirm(trust, now) {
    return this.decided((station) => station.confirm(trust, now));
  }

  async decided(ask) {
    await this.turn;
    const found = await ask(this.station);
    this.handing?.soon();
    this.show();
    return found;
  }

  async keepToken(token) {
    await this.turn;
    const name = `token:${this.station.venueId}`;
    await (token ? store.put(name, token) : store.remove(name));
    this.outcome = { state: "done" };
    this.handing?.soon();
    await this.show();
  }

  async show() {
    const { part, texts, station, handing } = this;
    if (!station) return;
    const hasToken = Boolean(await store.get(`token:${station.venueId}`)), waiting = handing?.waiting ?? 0;
    const state = !handing ? "in_use" : !waiting ? "done" : !hasToken ? "no_token" : this.outcome.state === "done" ? "sending" : this.outcome.state;
    part("door").dataset.state = state;
    part("recorded").textContent = String(this.journal?.state.sequence ?? 0);
    part("waiting").textContent = String(waiting);
    part("door-line").textContent = texts.door[state].replace("{detail}", this.outcome.detail ?? "");
    part("token-kept").hidden = !hasToken;
    part("token-form").hidden = hasToken;
    part("hand-in").hidden = !waiting || !hasToken;
  }
}
