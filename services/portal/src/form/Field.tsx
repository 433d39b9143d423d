/** One field with its label, its hint and what is wrong with it. */

export interface FieldProps {
  name: string;
  className: string;
  label: string;
  /** Beside the label: "optional". */
  note: string;
  value: string;
  error: string;
  onValue: (value: string) => void;
  isRequired?: boolean;
  hint?: string;
  maxLength?: number;
  autoComplete?: string;
  /** Lines of a text area. */
  rows?: number;
  /** Values and texts of a list to choose from, under `choose`. */
  options?: [string, string][];
  choose?: string;
}

export function Field({ name, className, label, note, value, error, onValue, isRequired = false, hint, maxLength = 200, autoComplete = "off", rows, options, choose }: FieldProps) {
  const id = `f-${name}`;
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  const shared = {
    id,
    name,
    value,
    "aria-required": isRequired,
    "aria-invalid": error !== "",
    "aria-describedby": described || undefined,
    onChange: (event: { target: { value: string } }) => onValue(event.target.value),
  };
  return (
    <div className={error ? `field ${className} is-wrong` : `field ${className}`}>
      <label htmlFor={id}>
        {label} {note && <em>{note}</em>}
      </label>
      {hint && (
        <p className="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {error && (
        <p className="error" id={`${id}-error`}>
          {error}
        </p>
      )}
      {options ? (
        <select {...shared}>
          <option value="">{choose}</option>
          {options.map(([code, text]) => (
            <option key={code} value={code}>
              {text}
            </option>
          ))}
        </select>
      ) : rows ? (
        <textarea {...shared} rows={rows} maxLength={maxLength} />
      ) : (
        <input {...shared} maxLength={maxLength} autoComplete={autoComplete} />
      )}
    </div>
  );
}
