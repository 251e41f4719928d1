// Requests to the studio's server, each with the token of the address that tatami printed.
const TOKEN = "tatami-token";
if (location.hash.length > 20) {
  sessionStorage.setItem(TOKEN, location.hash.slice(1)); // for this tab, over a reload
  history.replaceState(null, "", "#network"); // and not left in the address bar
}
const token = sessionStorage.getItem(TOKEN) ?? "";

export class Refused extends Error {}

async function asked(path, given, options = {}) {
  const query = new URLSearchParams(given).toString();
  const headers = { "x-tatami-token": token };
  const answer = await fetch(`/api/${path}${query && `?${query}`}`, { headers, ...options });
  if (answer.ok) return answer;
  const text = await answer.text();
  let reason = text;
  try {
    reason = JSON.parse(text).error;
  } catch {} // a sentence already
  throw new Refused(reason);
}

/** Plain values. */
export const values = async (path, given) => (await asked(path, given)).json();

/** The address of a picture, for an img. */
export const drawing = async (path, given) =>
  URL.createObjectURL(await (await asked(path, given)).blob());

/** Send a picture, or nothing, where something is to be done. */
export const send = async (path, given, body) =>
  (await asked(path, given, { method: "POST", body })).json();
