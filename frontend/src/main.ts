import { mount } from "svelte";
import type { Saved } from "./api/saved";
import { SavedLab } from "./api/saved";
import { LiveLab } from "./api/live";
import App from "./App.svelte";
import "./lab.css";

// An exported page carries its answers; the lab itself has none and asks the server.
const held = document.getElementById("pellucid-saved");
const saved = held ? (JSON.parse(held.textContent ?? "null") as Saved) : null;
const target = document.getElementById("app");
if (!target) throw new Error("the page has no element #app");
mount(App, { target, props: { lab: saved ? new SavedLab(saved) : new LiveLab(), saved } });
