// Asking the holder's phone: who reads, and a check code that no phone was ever asked for before.

const DIGITS = 8, RECEIVER = "suizheng-receiver";

export class Asking {
  constructor(part) {
    this.part = part;
    this.nonce = "";
    part("asking-receiver").value = localStorage.getItem(RECEIVER) ?? "";
    part("asking-box").addEventListener("toggle", () => this.renew());
    part("asking-receiver").addEventListener("change", () => localStorage.setItem(RECEIVER, this.receiver));
  }

  get receiver() {
    return this.part("asking-receiver").value.trim().toUpperCase();
  }

  // {receiver, challenge} of this session; neither where nobody asks. A check code is good for one look.
  take() {
    if (!this.part("asking-box").open || !this.receiver) return {};
    const { receiver, nonce } = this;
    this.renew();
    return { receiver, challenge: { audience: receiver, nonce } };
  }

  renew() {
    const numbers = crypto.getRandomValues(new Uint32Array(DIGITS));
    this.nonce = [...numbers].map((number) => number % 10).join("");
    this.part("asking-nonce").textContent = this.part("asking-box").open ? this.nonce : "";
  }
}
