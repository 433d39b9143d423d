/** The public form: who runs it, the languages, the form itself or its receipt, and what happens with the data. */

import { useEffect, useRef, useState } from "react";

import { type Draft, emptyDraft, keepDraft, loadDraft } from "./draft";
import { contactLink, loadSite, type Site, UNNAMED } from "./site";
import { chooseLanguage, type FormStrings, type Language, LANGUAGES, STRINGS } from "./strings";
import { RequestForm } from "./RequestForm";

export function FormPage() {
  const [language, setLanguage] = useState<Language>(() => chooseLanguage(location.search, navigator.languages));
  const [site, setSite] = useState<Site>(UNNAMED);
  const [draft, setDraft] = useState<Draft>(loadDraft);
  const main = useRef<HTMLElement>(null);
  const t = STRINGS[language];

  useEffect(() => void loadSite().then(setSite), []);
  useEffect(() => keepDraft(draft), [draft]);
  useEffect(() => {
    document.documentElement.lang = language;
    document.title = [t.title, site.name].filter(Boolean).join(", ");
  }, [language, site.name, t.title]);

  function speak(chosen: Language): void {
    setLanguage(chosen);
    history.replaceState(null, "", `?lang=${chosen}`);
  }

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
      <header className="top">
        <a className="wordmark" href="/">
          {site.logo ? <img src={site.logo} alt={site.name || t.overview} /> : site.name || t.overview}
        </a>
        <nav aria-label={t.languages}>
          {LANGUAGES.map((other) => (
            <a
              key={other}
              href={`?lang=${other}`}
              lang={other}
              hrefLang={other}
              aria-current={other === language ? "true" : undefined}
              onClick={(event) => {
                event.preventDefault();
                speak(other);
              }}
            >
              {STRINGS[other].language}
            </a>
          ))}
        </nav>
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        {draft.receipt ? (
          <Received t={t} receipt={draft.receipt} onAnother={() => setDraft(emptyDraft())} />
        ) : (
          <RequestForm t={t} language={language} site={site} draft={draft} onDraft={setDraft} />
        )}
      </main>
      <Footer t={t} site={site} />
    </>
  );
}

function Received({ t, receipt, onAnother }: { t: FormStrings; receipt: string; onAnother: () => void }) {
  const title = useRef<HTMLHeadingElement>(null);
  const [isCopied, setCopied] = useState(false);
  useEffect(() => title.current?.focus(), []);
  return (
    <section className="received">
      <h1 ref={title} tabIndex={-1}>
        {t.received.title}
      </h1>
      <dl className="ticket">
        <dt>{t.received.receipt}</dt>
        {/* Set apart in fours by space that is not copied along. */}
        <dd data-test="receipt">{receipt.match(/.{1,4}/g)?.map((four, at) => <span key={at}>{four}</span>)}</dd>
      </dl>
      <p>{t.received.keep}</p>
      <p>{t.received.next}</p>
      <div className="row">
        {navigator.clipboard && (
          <button type="button" onClick={() => void navigator.clipboard.writeText(receipt).then(() => setCopied(true), () => undefined)}>
            {isCopied ? t.received.copied : t.received.copy}
          </button>
        )}
        <button type="button" onClick={() => print()}>
          {t.received.print}
        </button>
        <button type="button" className="quiet" onClick={onAnother}>
          {t.received.another}
        </button>
      </div>
    </section>
  );
}

function Footer({ t, site }: { t: FormStrings; site: Site }) {
  const contact = contactLink(site.contact);
  return (
    <footer className="foot">
      {site.contact && (
        <p>
          {t.privacy.contact}: {contact ? <a href={contact}>{site.contact}</a> : site.contact}
        </p>
      )}
      <p className="row">
        {site.privacy_url && <a href={site.privacy_url}>{t.privacy.link}</a>}
        {site.imprint_url && <a href={site.imprint_url}>{t.privacy.imprint}</a>}
        <a href="/">{t.overview}</a>
      </p>
    </footer>
  );
}
