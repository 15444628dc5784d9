// The language that offers come in: the page's own word, else the document's, else the browser's.

const WELL_FORMED = /^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8}){0,3}$/;

export const localeOf = (page) =>
  [page.settings.locale, document.documentElement.lang, navigator.language]
    .find((locale) => WELL_FORMED.test(locale)) ?? "";
