// The whole program of the page. It holds no token but that against forged requests: the session's own is in a cookie that
// no script can read.

const find = (id) => document.getElementById(id);
let csrf = "";

// Every answer is the whole state. One that refuses the token is of a session that began or ended in another window.
async function call(method, path, body) {
  const headers = { "Content-Type": "application/json", "X-CSRF-Token": csrf };
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  if (answer.status === 401 || answer.status === 403) {
    await load();
    tell("You signed in or out in another window. Nothing was changed.");
  } else if (answer.ok) {
    show(await answer.json());
    tell("");
  } else {
    tell(answer.status === 422 ? "That is too long, or too much." : "That did not work. Try again in a moment.");
  }
}

async function load() {
  show(await (await fetch("/api/session")).json());
}

function show(state) {
  csrf = state.csrf;
  const isSignedIn = state.name !== null;
  find("sign-in").hidden = isSignedIn;
  find("list").hidden = !isSignedIn;
  find("who").textContent = state.name ?? "";
  find("things").replaceChildren(...state.things.map(item));
}

function item(thing) {
  const line = document.createElement("li");
  line.className = "card row";
  const name = document.createElement("span");
  name.textContent = thing; // as a text, never as HTML
  const button = document.createElement("button");
  button.className = "plain";
  button.textContent = "Remove";
  button.setAttribute("aria-label", `Remove ${thing}`);
  button.addEventListener("click", async () => {
    await call("DELETE", "/api/things", { thing });
    find("thing").focus(); // the button that had the focus is gone
  });
  line.append(name, button);
  return line;
}

function tell(text) {
  find("told").textContent = text;
}

function on(form, action) {
  find(form).addEventListener("submit", async (event) => {
    event.preventDefault();
    await action();
  });
}

on("sign-in", async () => {
  await call("POST", "/api/sign-in", { name: find("name").value });
  find("thing").focus();
});
on("add", async () => {
  await call("POST", "/api/things", { thing: find("thing").value });
  find("add").reset();
});
on("sign-out", () => call("POST", "/api/sign-out"));

await load();
