/** Starts the portal. */

import { createRoot } from "react-dom/client";

import { App } from "./App";

import "./styles/tokens.css";
import "./styles/frame.css";
import "./styles/map.css";
import "./styles/arrivals.css";
import "./styles/views.css";
import "./styles/desk.css";

createRoot(document.getElementById("app")!).render(<App />);
