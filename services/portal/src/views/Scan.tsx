/** The scan of a letter: its address block enlarged, the page below it, zoom and paging. */

import { useState } from "react";

import type { ReviewItem } from "../api/types";
import { t } from "../strings";

export function Scan({ item, isZoomed, onZoom }: { item: ReviewItem; isZoomed: boolean; onZoom: () => void }) {
  const [page, setPage] = useState(1);
  const [hasCrop, setHasCrop] = useState("crop" in item.links);
  if (item.subject_kind === "submission") {
    return (
      <section className="scan">
        <p className="hint">{t.review.typed}</p>
      </section>
    );
  }
  const base = `/v1/letters/${encodeURIComponent(item.subject_id)}`;
  return (
    <section className={isZoomed ? "scan is-zoomed" : "scan"} aria-label={t.review.pageAlt(item.file_name)}>
      <figure className="crop">
        <figcaption>{t.review.crop}</figcaption>
        {hasCrop ? <img src={`${base}/crop.jpg`} alt={t.review.cropAlt} onError={() => setHasCrop(false)} /> : <p className="hint">{t.review.noCrop}</p>}
      </figure>
      <figure className="sheet">
        <button type="button" className="sheet-zoom" aria-pressed={isZoomed} aria-label={t.review.zoom} onClick={onZoom}>
          <img src={`${base}/pages/${page}.jpg`} alt={t.review.pageAlt(item.file_name)} />
        </button>
        {item.page_count > 1 && (
          <figcaption className="pages">
            <button type="button" disabled={page === 1} aria-label={t.review.previousPage} onClick={() => setPage(page - 1)}>
              ‹
            </button>
            {t.review.page(page, item.page_count)}
            <button type="button" disabled={page === item.page_count} aria-label={t.review.nextPage} onClick={() => setPage(page + 1)}>
              ›
            </button>
          </figcaption>
        )}
      </figure>
    </section>
  );
}
