/** The first page: what has just arrived beside the map of where the need is. */

import { useEffect, useMemo, useState } from "react";

import { favouriteKind, levelsOf } from "../map/features";
import { AreaList } from "../map/AreaList";
import { FactCard } from "../map/FactCard";
import { Legend, type Layers } from "../map/Legend";
import { MapView } from "../map/MapView";
import type { Hit } from "../map/townMap";
import { useGold } from "../map/useGold";
import { t } from "../strings";
import { DropZone, type PendingData } from "../upload/DropZone";
import type { Uploader } from "../upload/uploader";
import { Arrivals } from "./Arrivals";

interface HomeProps {
  uploader: Uploader;
  pending: PendingData;
  focus: string | null;
  isShown: boolean;
}

export function Home({ uploader, pending, focus, isShown }: HomeProps) {
  const gold = useGold();
  const [chosenKind, setKind] = useState<string | null>(null);
  const [level, setLevel] = useState<number | null>(null);
  const [hit, setHit] = useState<Hit | null>(null);
  const [tab, setTab] = useState<"arrivals" | "areas">("arrivals");
  const [layers, setLayers] = useState<Layers>({ requests: true, facilities: "kind" });

  const favourite = useMemo(() => favouriteKind(gold.coverage), [gold.coverage]);
  const kind = chosenKind ?? favourite;
  // Later requests may make another kind the favourite: the map does not change its question under somebody's eyes.
  useEffect(() => {
    if (favourite && gold.coverage.some((row) => (row.request_count ?? 0) > 0)) setKind((old) => old ?? favourite);
  }, [favourite, gold.coverage]);

  useEffect(() => {
    if (focus) setHit({ layer: "request", id: focus });
  }, [focus]);

  return (
    <div className="home" hidden={!isShown}>
      <section className="panel" aria-label={t.arrivals.title}>
        <DropZone uploader={uploader} pending={pending} />
        <div className="tabs" role="tablist">
          {(["arrivals", "areas"] as const).map((name) => (
            <button key={name} type="button" role="tab" id={`tab-${name}`} aria-selected={tab === name} aria-controls="panel-body" onClick={() => setTab(name)}>
              {name === "arrivals" ? t.arrivals.title : t.map.areas}
            </button>
          ))}
        </div>
        <div id="panel-body" className="panel-body" role="tabpanel" aria-labelledby={`tab-${tab}`}>
          {tab === "arrivals" ? <Arrivals uploader={uploader} onHit={setHit} /> : <AreaList gold={gold} kind={kind} level={level} chosen={hit} onHit={setHit} />}
        </div>
      </section>
      <section className="map-side" aria-label={t.map.label}>
        <div className="map-area">
          <MapView gold={gold} kind={kind} level={level} layers={layers} hit={hit} onHit={setHit} isShown={isShown} />
          {hit && <FactCard hit={hit} gold={gold} kind={kind} onClose={() => setHit(null)} />}
        </div>
        <Legend gold={gold} kind={kind} onKind={setKind} levels={levelsOf(gold.areas)} level={level} onLevel={setLevel} layers={layers} onLayers={setLayers} />
      </section>
    </div>
  );
}
