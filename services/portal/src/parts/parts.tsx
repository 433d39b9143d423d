/** Small pieces that several views share. */

import type { ReactNode } from "react";

import type { Problem } from "../api/client";
import { percent } from "../format";
import { pictogramOf } from "../map/icons";
import { kindName, stateName, t } from "../strings";

export function ProblemNote({ problem, onAgain }: { problem: Problem; onAgain?: () => void }) {
  return (
    <div className="problem" role="alert">
      <strong>{problem.title}</strong>
      {problem.detail && <p>{problem.detail}</p>}
      {onAgain && (
        <button type="button" className="quiet" onClick={onAgain}>
          {t.problem.again}
        </button>
      )}
    </div>
  );
}

export function Loading() {
  return (
    <p className="loading" role="status">
      {t.problem.loading}
    </p>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <p>{title}</p>
      {children}
    </div>
  );
}

/** The mark of a state: filled when it stands, ringed when roughly known, open when it waits. */
export function StateMark({ state, label }: { state: string; label?: string }) {
  return (
    <span className={`state state-${state}`}>
      <i aria-hidden="true" />
      {label ?? stateName(state)}
    </span>
  );
}

/** A share as a bar with its number; nothing but a dash where the share is unknown. */
export function ShareBar({ share }: { share: number | null }) {
  return (
    <span className={share === null ? "share is-unknown" : "share"}>
      <span className="share-track" aria-hidden="true">
        {share !== null && <span style={{ width: `${share * 100}%` }} />}
      </span>
      <span className="figure">{percent(share)}</span>
    </span>
  );
}

export function KindMark({ kind }: { kind: string | null | undefined }) {
  const pictogram = kind ? pictogramOf(kind) : undefined;
  return (
    <span className="kind">
      {pictogram && (
        <svg viewBox="0 0 24 24" width="18" height="18" aria-hidden="true">
          {pictogram.fill && <path d={pictogram.fill} fill="currentColor" />}
          {pictogram.stroke && <path d={pictogram.stroke} fill="none" stroke="currentColor" strokeWidth="2" strokeLinejoin="round" strokeLinecap="round" />}
        </svg>
      )}
      {kindName(kind)}
    </span>
  );
}

export function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className="fact">
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}

export function Page({ title, lead, children, actions }: { title: string; lead?: string; children: ReactNode; actions?: ReactNode }) {
  return (
    <div className="page">
      <header className="page-head">
        <div>
          <h1 tabIndex={-1}>{title}</h1>
          {lead && <p className="lead">{lead}</p>}
        </div>
        {actions}
      </header>
      {children}
    </div>
  );
}
