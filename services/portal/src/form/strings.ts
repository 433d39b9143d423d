/** Every sentence of the public form, in each of its languages. */

export const LANGUAGES = ["en", "de"] as const;
export type Language = (typeof LANGUAGES)[number];

const en = {
  language: "English",
  languages: "Language",
  title: "What is too far away?",
  lead: "Is there no pharmacy, school or bus stop near you? Say what is missing and where. You need no account.",
  skip: "Skip to the form",
  what: "What it is about",
  where: "Where",
  whereHint: "The address from which it is too far. It need not be where you live.",
  you: "How to reach you",
  youHint: "Only if you would like an answer. A request without a name counts as much.",
  optional: "optional",
  fields: {
    facility_kind: "What is missing or too far away?",
    message: "In your own words",
    street: "Street",
    housenumber: "House number",
    postcode: "Postcode",
    city: "Town",
    requester_name: "Name",
    contact: "E-mail or telephone",
  },
  messageHint: "Please leave out what is private, such as illnesses.",
  choose: "Please choose",
  other: "Something else",
  missing: {
    facility_kind: "Choose what is missing.",
    message: "Say in your own words what is missing.",
    street: "Enter the street.",
    city: "Enter the town.",
  },
  summary: (n: number) => (n === 1 ? "One answer is missing" : `${n} answers are missing`),
  send: "Send request",
  sending: "Sending",
  sendIn: (seconds: number) => `Send again in ${seconds} s`,
  privacy: {
    title: "What happens with what you write",
    points: (who: string) => [
      `${who} keeps your request, and its staff reads it.`,
      "The address is looked up, so that the request can stand at its place on the map of the staff.",
      "The public sees counts of requests per area, never a single address.",
      "Your name, how to reach you and your own words stand on no map and in no statistics.",
      "Against misuse it is counted how often a request comes from the same connection.",
      "Until you send it, what you typed is kept in this browser window alone.",
    ],
    who: "Whoever runs this page",
    erase: "To have a request corrected or deleted, name its receipt number.",
    link: "Privacy notice",
    imprint: "Legal notice",
    contact: "Contact",
  },
  problem: {
    busy: (seconds: number) => ["Too many requests came from this connection", `Nothing is lost: it can be sent in ${seconds < 90 ? `${seconds} seconds` : `${Math.ceil(seconds / 60)} minutes`}.`],
    away: ["This could not be sent", "The server does not answer at the moment. What you typed is still here: please try again in a few minutes. Sent twice, it counts once."],
    closed: ["Requests are not taken here at the moment", "What you typed is still here. Please try again later, or write a letter."],
    refused: (detail: string) => ["This could not be taken as it is", detail || "Please check what you entered."],
  } as Problems,
  received: {
    title: "Thank you, your request has been taken in",
    receipt: "Receipt number",
    keep: "Note this number: with it your request can be found again, for a question, a correction or to have it deleted.",
    next: "It is now looked up where the request belongs. If the address cannot be found, a person looks at it.",
    copy: "Copy the number",
    copied: "Copied",
    print: "Print",
    another: "Send another request",
  },
  overview: "Overview",
  kinds: {
    pharmacy: "Pharmacy",
    doctor: "Doctor",
    hospital: "Hospital",
    school: "School",
    kindergarten: "Kindergarten",
    post_office: "Post office",
    library: "Library",
    playground: "Playground",
    supermarket: "Supermarket",
    bank: "Bank",
    community_centre: "Community centre",
    fire_station: "Fire station",
    police: "Police station",
    bus_stop: "Bus stop",
  } as Record<string, string>,
};

interface Problems {
  busy: (seconds: number) => [string, string];
  away: [string, string];
  closed: [string, string];
  refused: (detail: string) => [string, string];
}
export type FormStrings = typeof en;

const de: FormStrings = {
  language: "Deutsch",
  languages: "Sprache",
  title: "Was ist zu weit weg?",
  lead: "Gibt es in Ihrer Nähe keine Apotheke, keine Schule, keine Haltestelle? Sagen Sie uns, was fehlt und wo. Sie brauchen kein Konto.",
  skip: "Zum Formular",
  what: "Worum es geht",
  where: "Wo",
  whereHint: "Die Adresse, von der aus es zu weit ist. Es muss nicht Ihre eigene sein.",
  you: "Wie wir Sie erreichen",
  youHint: "Nur wenn Sie eine Antwort möchten. Eine Anfrage ohne Namen zählt genauso.",
  optional: "freiwillig",
  fields: {
    facility_kind: "Was fehlt oder ist zu weit weg?",
    message: "In Ihren Worten",
    street: "Straße",
    housenumber: "Hausnummer",
    postcode: "Postleitzahl",
    city: "Ort",
    requester_name: "Name",
    contact: "E-Mail oder Telefon",
  },
  messageHint: "Bitte lassen Sie Privates weg, zum Beispiel Krankheiten.",
  choose: "Bitte wählen",
  other: "Etwas anderes",
  missing: {
    facility_kind: "Wählen Sie aus, was fehlt.",
    message: "Sagen Sie in Ihren Worten, was fehlt.",
    street: "Geben Sie die Straße an.",
    city: "Geben Sie den Ort an.",
  },
  summary: (n: number) => (n === 1 ? "Eine Angabe fehlt" : `${n} Angaben fehlen`),
  send: "Anfrage senden",
  sending: "Wird gesendet",
  sendIn: (seconds: number) => `Erneut senden in ${seconds} s`,
  privacy: {
    title: "Was mit Ihren Angaben geschieht",
    points: (who: string) => [
      `${who} bewahrt Ihre Anfrage auf, und die Mitarbeitenden lesen sie.`,
      "Die Adresse wird nachgeschlagen, damit die Anfrage auf der Karte der Mitarbeitenden an ihrem Ort steht.",
      "Die Öffentlichkeit sieht nur, wie viele Anfragen es je Gebiet gibt, nie eine einzelne Adresse.",
      "Ihr Name, Ihre Erreichbarkeit und Ihre Worte stehen auf keiner Karte und in keiner Statistik.",
      "Gegen Missbrauch wird gezählt, wie oft Anfragen vom selben Anschluss kommen.",
      "Bis Sie senden, bleibt das Geschriebene nur in diesem Browserfenster.",
    ],
    who: "Wer diese Seite betreibt,",
    erase: "Um eine Anfrage berichtigen oder löschen zu lassen, nennen Sie ihre Eingangsnummer.",
    link: "Datenschutz",
    imprint: "Impressum",
    contact: "Kontakt",
  },
  problem: {
    busy: (seconds: number) => ["Von diesem Anschluss kamen zu viele Anfragen", `Nichts ist verloren: In ${seconds < 90 ? `${seconds} Sekunden` : `${Math.ceil(seconds / 60)} Minuten`} kann gesendet werden.`],
    away: ["Das konnte nicht gesendet werden", "Der Server antwortet gerade nicht. Was Sie geschrieben haben, ist noch da: Bitte versuchen Sie es in einigen Minuten wieder. Zweimal gesendet zählt es einmal."],
    closed: ["Hier werden gerade keine Anfragen angenommen", "Was Sie geschrieben haben, ist noch da. Bitte versuchen Sie es später wieder, oder schreiben Sie einen Brief."],
    refused: (detail: string) => ["So konnte das nicht angenommen werden", detail || "Bitte prüfen Sie Ihre Angaben."],
  },
  received: {
    title: "Danke, Ihre Anfrage ist eingegangen",
    receipt: "Eingangsnummer",
    keep: "Notieren Sie diese Nummer: Damit ist Ihre Anfrage wiederzufinden, für eine Rückfrage, eine Berichtigung oder um sie löschen zu lassen.",
    next: "Jetzt wird nachgeschlagen, wohin die Anfrage gehört. Wird die Adresse nicht gefunden, sieht ein Mensch nach.",
    copy: "Nummer kopieren",
    copied: "Kopiert",
    print: "Drucken",
    another: "Weitere Anfrage senden",
  },
  overview: "Übersicht",
  kinds: {
    pharmacy: "Apotheke",
    doctor: "Arztpraxis",
    hospital: "Krankenhaus",
    school: "Schule",
    kindergarten: "Kindergarten",
    post_office: "Post",
    library: "Bibliothek",
    playground: "Spielplatz",
    supermarket: "Supermarkt",
    bank: "Bank",
    community_centre: "Gemeindezentrum",
    fire_station: "Feuerwehr",
    police: "Polizei",
    bus_stop: "Bushaltestelle",
  },
};

export const STRINGS: Record<Language, FormStrings> = { en, de };

/** The language that was asked for in the address, else the first of the browser's that is there, else English. */
export function chooseLanguage(search: string, preferred: readonly string[]): Language {
  const wanted = [new URLSearchParams(search).get("lang") ?? "", ...preferred].map((tag) => tag.slice(0, 2).toLowerCase());
  return LANGUAGES.find((language) => language === wanted.find((tag) => LANGUAGES.some((known) => known === tag))) ?? "en";
}
