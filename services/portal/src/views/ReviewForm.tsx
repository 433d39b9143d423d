/** The parts of the review desk's form: fields, candidates, the list of keys. */

import type { RefObject } from "react";

import type { ReviewItem } from "../api/types";
import { address } from "../format";
import { kindName, t } from "../strings";
import type { Fields } from "./reviewLogic";

interface FieldSetProps {
  fields: Fields;
  before: Fields;
  onFields: (fields: Fields) => void;
  first: RefObject<HTMLInputElement | null>;
  kinds: string[];
}

export function FieldSet({ fields, before, onFields, first, kinds }: FieldSetProps) {
  const field = (name: keyof Fields, label: string, className = "", ref?: RefObject<HTMLInputElement | null>) => (
    <label className={`${className}${fields[name] !== before[name] ? " is-changed" : ""}`}>
      <span>{label}</span>
      <input ref={ref} name={name} type={name === "letter_date" ? "date" : "text"} value={fields[name]} onChange={(event) => onFields({ ...fields, [name]: event.target.value })} autoComplete="off" spellCheck={false} />
    </label>
  );
  return (
    <fieldset className="fields">
      <legend>{t.review.fields}</legend>
      {field("sender_name", t.review.sender, "wide")}
      {field("street", t.review.street, "street", first)}
      {field("housenumber", t.review.housenumber, "number")}
      {field("postcode", t.review.postcode, "number")}
      {field("city", t.review.city, "street")}
      {field("letter_date", t.review.date, "half")}
      <label className={`half${fields.facility_kind !== before.facility_kind ? " is-changed" : ""}`}>
        <span>{t.review.kind}</span>
        <select name="facility_kind" value={fields.facility_kind} onChange={(event) => onFields({ ...fields, facility_kind: event.target.value })}>
          <option value="">{t.review.noKind}</option>
          {[...new Set([...kinds, ...(fields.facility_kind ? [fields.facility_kind] : [])])].map((kind) => (
            <option key={kind} value={kind}>
              {kindName(kind)}
            </option>
          ))}
        </select>
      </label>
    </fieldset>
  );
}

export function Candidates({ item, onPick }: { item: ReviewItem; onPick: (index: number) => void }) {
  return (
    <div className="candidates">
      <h3>{t.review.candidates}</h3>
      {item.candidates.length === 0 && <p className="hint">{t.review.noCandidates}</p>}
      <ol>
        {item.candidates.slice(0, 9).map((candidate, index) => (
          <li key={candidate.address_id}>
            <button type="button" onClick={() => onPick(index)}>
              <kbd>{index + 1}</kbd>
              <span>{address(candidate)}</span>
              {candidate.similarity !== null && <span className="hint">{t.review.similarity(candidate.similarity)}</span>}
            </button>
          </li>
        ))}
      </ol>
    </div>
  );
}

export function Keys() {
  return (
    <dl className="keys">
      {t.review.keys.map(([key, meaning]) => (
        <div key={key}>
          <dt>
            <kbd>{key}</kbd>
          </dt>
          <dd>{meaning}</dd>
        </div>
      ))}
    </dl>
  );
}
