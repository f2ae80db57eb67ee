// The holders of a form are added and removed in the page, so that the files that were chosen stay chosen. A removal can
// be taken back; the focus goes to what comes next.

const PLACE = /holders\.(?:\d+|#)\./g;
const NAMED = ["name", "id", "for", "aria-describedby"];

class Holders {
  constructor(list) {
    this.list = list;
    this.template = list.querySelector("template");
    this.add = list.querySelector("[data-holder-add]");
    this.undo = list.querySelector("[data-holder-undo]");
    this.said = list.querySelector("[data-holder-said]");
    this.removed = [];
    list.addEventListener("click", (event) => this.press(event));
  }

  get cards() {
    return [...this.list.querySelectorAll(":scope > [data-holder]")];
  }

  press(event) {
    const button = event.target.closest("button");
    if (button === this.add) this.more();
    else if (button === this.undo) this.takeBack();
    else if (button?.matches("[data-holder-remove]")) this.fewer(button.closest("[data-holder]"));
    else return;
    event.preventDefault();
  }

  more() {
    const card = this.template.content.firstElementChild.cloneNode(true);
    this.template.before(card);
    this.settle();
    card.querySelector("input, select").focus();
  }

  fewer(card) {
    const place = this.cards.indexOf(card);
    card.remove();
    this.removed.push({ card, place });
    this.settle();
    this.undo.focus();
  }

  takeBack() {
    const { card, place } = this.removed.pop();
    (this.cards[place] ?? this.template).before(card);
    this.settle();
    card.querySelector("input, select").focus();
  }

  // Names, titles and buttons by what is there now.
  settle() {
    const { cards } = this;
    const { minimum, maximum, titleOne, titleMany, removed } = this.list.dataset;
    cards.forEach((card, place) => {
      for (const part of card.querySelectorAll("*")) {
        for (const name of NAMED) {
          const value = part.getAttribute(name);
          if (value) part.setAttribute(name, value.replace(PLACE, `holders.${place}.`));
        }
      }
      const title = cards.length === 1 ? titleOne : titleMany.replace("#", place + 1);
      for (const shown of card.querySelectorAll("[data-holder-title]")) shown.textContent = title;
      const remove = card.querySelector("[data-holder-remove]");
      remove.value = `remove_holder.${place}`;
      remove.setAttribute("aria-label", `${remove.textContent.trim()} ${place + 1}`);
      remove.hidden = cards.length <= Number(minimum);
    });
    const last = this.removed.at(-1);
    const isFull = cards.length >= Number(maximum);
    this.add.hidden = isFull;
    this.undo.hidden = !last || isFull;
    this.said.textContent = this.undo.hidden ? "" : removed.replace("#", last.place + 1);
  }
}

export function watchHolders(root) {
  for (const list of root.querySelectorAll("[data-holders]")) new Holders(list);
}
