/** Starts the public form. */

import { createRoot } from "react-dom/client";

import { FormPage } from "./FormPage";

import "../styles/tokens.css";
import "./form.css";

createRoot(document.getElementById("app")!).render(<FormPage />);
