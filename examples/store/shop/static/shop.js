// Changing a quantity is enough; without scripts the button beside it does the same.
for (const form of document.querySelectorAll("form[data-submit-on-change]")) {
  form.addEventListener("change", () => form.requestSubmit());
}
