// What this tab has begun for one coupon and one person: the key before the first byte is sent, then the claim. It survives a
// reload, and is never taken up for another person.

const KEY_LIFE_MS = 20 * 3600 * 1000; // the server knows a key for a day; after that it would begin a new claim

export class Kept {
  // storage: sessionStorage or alike; null where a browser stores nothing: then it lives as long as the page. now: in ms.
  constructor(storage, couponId, now) {
    Object.assign(this, { storage, couponId, now, person: '', begun: {} });
  }

  // person: the id that the server tells; '' while nobody is known, for whom nothing is taken up and nothing stored.
  open(person) {
    this.person = person;
    this.begun = {};
    try {
      this.begun = (person && JSON.parse(this.storage.getItem(this.name()))) || {};
    } catch { /* not there, or not ours */ }
  }

  name() {
    return `flashclaim:${this.couponId}:${this.person}`;
  }

  // A claim was sent, its answer never seen, and the server still knows its key.
  get unanswered() {
    return Boolean(this.begun.key) && !this.begun.claimId && this.now() - this.begun.atMs < KEY_LIFE_MS;
  }

  begin(makeKey) {
    if (!this.unanswered) this.write({ key: makeKey(), atMs: this.now() });
    return this.begun.key;
  }

  accepted(claimId) {
    this.write({ ...this.begun, claimId });
  }

  // The claim is final: its key is done with, and a further claim gets one of its own.
  settled() {
    this.write({ claimId: this.begun.claimId });
  }

  forget() {
    this.write({});
  }

  write(begun) {
    this.begun = begun;
    if (!this.person) return;
    try {
      this.storage.setItem(this.name(), JSON.stringify(begun));
    } catch { /* it lives as long as the page */ }
  }
}
