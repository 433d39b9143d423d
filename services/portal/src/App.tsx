/** The frame: name, sections, state of the connection, and the view that the address names. */

import { useEffect, useMemo, useRef, useState } from "react";

import DropTarget from "@uppy/drop-target";

import { command } from "./api/client";
import { loadPerson, type Person } from "./api/person";
import { startFeed } from "./live/feed";
import { waitingFor } from "./live/reducer";
import { useLive } from "./live/store";
import { Empty } from "./parts/parts";
import { hrefOf, useRoute, type View, VIEWS } from "./route";
import { stateName, t } from "./strings";
import { createUploader } from "./upload/uploader";
import { Datasets } from "./views/Datasets";
import { Home } from "./views/Home";
import { LetterPage } from "./views/LetterPage";
import { Letters } from "./views/Letters";
import { NewRequest } from "./views/NewRequest";
import { Quality } from "./views/Quality";
import { Review } from "./views/Review";

export function App() {
  const route = useRoute();
  const main = useRef<HTMLElement>(null);
  const [files, setFiles] = useState<File[]>([]);
  const [isOver, setOver] = useState(false);
  const uploader = useMemo(() => createUploader((file) => setFiles((old) => [...old, file])), []);
  const [person, setPerson] = useState<Person | null>(null);
  const pending = useMemo(() => ({ files, drop: (file: File) => setFiles((old) => old.filter((other) => other !== file)) }), [files]);

  useEffect(() => startFeed(), []);
  useEffect(() => void loadPerson().then(setPerson), []);
  // Files may be dropped anywhere on the page, in any view.
  useEffect(() => {
    uploader.use(DropTarget, { target: document.body, onDragOver: () => setOver(true), onDragLeave: () => setOver(false), onDrop: () => setOver(false) });
    return () => {
      const plugin = uploader.getPlugin("DropTarget");
      if (plugin) uploader.removePlugin(plugin);
    };
  }, [uploader]);
  // A data file dropped in another view is asked about on the first page.
  useEffect(() => {
    if (files.length) location.hash = hrefOf("map");
  }, [files.length]);
  useEffect(() => {
    document.title = route.view && route.view !== "map" ? `${t.nav[route.view]}, ${t.name}` : t.name;
    if (route.view !== "map") main.current?.querySelector<HTMLElement>("h1[tabindex]")?.focus({ preventScroll: true });
  }, [route.view]);

  return (
    <>
      <a
        className="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          main.current?.focus();
        }}
      >
        {t.skip}
      </a>
      <Header view={route.view} person={person} />
      <Banner person={person} />
      <main id="main" ref={main} tabIndex={-1}>
        <Home uploader={uploader} pending={pending} focus={route.view === "map" ? route.id : null} isShown={route.view === "map"} />
        {route.view === "review" && <Review id={route.id} />}
        {route.view === "letters" && (route.id ? <LetterPage id={route.id} /> : <Letters state={route.query.get("state")} />)}
        {route.view === "datasets" && <Datasets uploader={uploader} />}
        {route.view === "quality" && <Quality />}
        {route.view === "request" && <NewRequest />}
        {route.view === null && (
          <Empty title={t.missing.title}>
            <a href={hrefOf("map")}>{t.missing.back}</a>
          </Empty>
        )}
      </main>
      <Announcer />
      {isOver && (
        <div className="drop-veil" aria-hidden="true">
          <p>{t.drop.release}</p>
        </div>
      )}
    </>
  );
}

function Header({ view, person }: { view: View | null; person: Person | null }) {
  const waiting = useLive(waitingFor);
  const connection = useLive((state) => state.connection);
  const label = { live: t.connection.live, connecting: t.connection.connecting, down: t.connection.down, ended: t.connection.down }[connection];
  return (
    <header className="top">
      <a className="wordmark" href={hrefOf("map")}>
        {t.name}
      </a>
      <nav aria-label={t.nav.label}>
        {VIEWS.map((name) => (
          <a key={name} href={hrefOf(name)} aria-current={view === name ? "page" : undefined}>
            {t.nav[name]}
            {name === "review" && waiting > 0 && <span className="badge">{waiting}</span>}
          </a>
        ))}
      </nav>
      <span className={`connection is-${connection}`} data-test="connection">
        <i aria-hidden="true" />
        {label}
      </span>
      {person && <PersonMark person={person} isIn={connection !== "ended"} />}
    </header>
  );
}

/** Who is here, where a name is known, and the way out, where there is one. */
function PersonMark({ person, isIn }: { person: Person; isIn: boolean }) {
  const [isRefused, setRefused] = useState(false);
  return (
    <span className="person">
      {person.name && (
        <span className="person-name" title={t.person.at(person.name)}>
          {person.name}
        </span>
      )}
      {person.can_log_out && isIn && (
        <button
          type="button"
          className="quiet"
          // Loaded anew, nothing of what was seen stays in the page.
          onClick={() => void command("/portal/logout").then(() => location.reload(), () => setRefused(true))}
        >
          {t.person.logOut}
        </button>
      )}
      {isRefused && <span role="alert">{t.person.failed}</span>}
    </span>
  );
}

function Banner({ person }: { person: Person | null }) {
  const connection = useLive((state) => state.connection);
  const readiness = useLive((state) => state.readiness);
  const failedBuild = useLive((state) => state.failedBuild);
  const failed = useLive((state) => state.failed);
  if (connection === "ended") return <Sentence text={person?.can_log_out === false ? t.connection.barred : t.connection.session} />;
  if (connection === "down") return <Sentence text={t.connection.lost} />;
  const sentences = Object.entries(readiness?.capabilities ?? {})
    .filter(([, capability]) => !capability.is_ready)
    .map(([name, { detail }]) => t.connection.capability(name, detail));
  if (failedBuild) sentences.push(t.connection.failedBuild(failedBuild.message));
  if (failed[0]) sentences.push(t.connection.failedWork(failed.length, failed[0].error));
  return sentences.length ? <Sentence text={sentences.join(" ")} /> : null;
}

function Sentence({ text }: { text: string }) {
  return (
    <div className="banner" role="status">
      {text}
    </div>
  );
}

/** Says aloud what changes on the screen; bursts are shortened to the newest. */
function Announcer() {
  const announcement = useLive((state) => state.announcement);
  const [said, setSaid] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => {
      const [file, state] = announcement.split(": ");
      setSaid(state ? t.arrivals.announce(file ?? "", stateName(state)) : announcement);
    }, 800);
    return () => clearTimeout(timer);
  }, [announcement]);
  return (
    <p className="visually-hidden" aria-live="polite">
      {said}
    </p>
  );
}
