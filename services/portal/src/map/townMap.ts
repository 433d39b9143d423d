/** A MapLibre map that knows the portal's layers; React only tells it what to show. */

import "maplibre-gl/dist/maplibre-gl.css";

import { type GeoJSONSource, LngLatBounds, Map as MapLibre, type MapMouseEvent, Marker, ScaleControl, setWorkerUrl } from "maplibre-gl";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url";

import { DARK, LIGHT, type Palette } from "./colours";
import { type Bounds, labelPoint, withoutOverlap } from "./geometry";
import { drawHatch, drawIcon } from "./icons";
import { type SourceName, SOURCES, styleOf } from "./style";

// Bundled into a file of ours: MapLibre would otherwise look for it beside a path that the bundle does not have.
setWorkerUrl(workerUrl);

export interface Hit {
  layer: "area" | "facility" | "request";
  id: string;
}

const dark = () => window.matchMedia("(prefers-color-scheme: dark)");
export const palette = (): Palette => (dark().matches ? DARK : LIGHT);
const isStill = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;
const PULSE_MS = 9000;
const MAX_PULSES = 60;

export class TownMap {
  readonly map: MapLibre;
  private readonly data = new Map<SourceName, GeoJSON.FeatureCollection>();
  private labels: { marker: Marker; at: [number, number]; element: HTMLElement; rank: number }[] = [];
  private readonly pulses = new Map<string, { marker: Marker; timer: ReturnType<typeof setTimeout> }>();
  private chosen: Hit | null = null;
  private hidden = new Set<SourceName>();
  private ready = false;
  private readonly onScheme = () => this.restyle();

  constructor(
    readonly host: HTMLElement,
    options: { label: string; onHit?: (hit: Hit | null) => void; onClick?: (longitude: number, latitude: number) => void },
  ) {
    this.map = new MapLibre({
      container: host,
      style: styleOf(palette()),
      center: [0, 0],
      zoom: 1,
      minZoom: 1,
      maxZoom: 19,
      attributionControl: false,
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      fadeDuration: 0,
    });
    this.map.touchZoomRotate.disableRotation();
    this.map.keyboard.disableRotation();
    this.map.addControl(new ScaleControl({ maxWidth: 90 }), "bottom-right");
    this.map.getCanvas().setAttribute("aria-label", options.label);
    // Drawn on demand: a kind that nobody drew gets its first letter.
    this.map.setMissingStyleImageResolver((id) => this.addImage(id));
    this.map.on("style.load", () => this.fill());
    this.map.on("move", () => this.placeLabels());
    this.map.on("idle", () => this.describe());
    this.map.on("click", (event) => {
      options.onClick?.(event.lngLat.lng, event.lngLat.lat);
      options.onHit?.(this.hitAt(event));
    });
    this.map.on("mousemove", (event) => {
      if (options.onHit) this.map.getCanvas().style.cursor = this.hitAt(event) ? "pointer" : "";
    });
    dark().addEventListener("change", this.onScheme);
  }

  remove(): void {
    dark().removeEventListener("change", this.onScheme);
    for (const { timer } of this.pulses.values()) clearTimeout(timer);
    this.map.remove();
  }

  set(source: SourceName, collection: GeoJSON.FeatureCollection): void {
    this.data.set(source, collection);
    if (this.ready) this.map.getSource<GeoJSONSource>(source)?.setData(collection);
    if (source === "areas") this.relabel(collection);
  }

  show(source: SourceName, isShown: boolean): void {
    if (isShown) this.hidden.delete(source);
    else this.hidden.add(source);
    if (this.ready) this.applyVisibility();
  }

  choose(hit: Hit | null): void {
    this.chosen = hit;
    if (!this.ready) return;
    this.map.setFilter("areas-chosen", ["==", ["get", "area_code"], hit?.layer === "area" ? hit.id : ""]);
    this.map.setFilter("request-chosen", ["==", ["get", "request_id"], hit?.layer === "request" ? hit.id : ""]);
  }

  fit(bounds: Bounds, padding = 48): void {
    this.map.fitBounds(new LngLatBounds([bounds[0], bounds[1]], [bounds[2], bounds[3]]), { padding, maxZoom: 15, animate: !isStill() && this.ready, duration: 600 });
  }

  /** Draws the eye to a letter that has just been placed. */
  pulse(id: string, longitude: number, latitude: number): void {
    if (this.pulses.has(id) || this.pulses.size >= MAX_PULSES) return;
    const element = document.createElement("div");
    element.className = "pulse";
    element.setAttribute("aria-hidden", "true");
    const marker = new Marker({ element }).setLngLat([longitude, latitude]).addTo(this.map);
    const timer = setTimeout(() => {
      marker.remove();
      this.pulses.delete(id);
    }, PULSE_MS);
    this.pulses.set(id, { marker, timer });
  }

  bounds(): Bounds {
    const box = this.map.getBounds();
    return [box.getWest(), box.getSouth(), box.getEast(), box.getNorth()];
  }

  private hitAt(event: MapMouseEvent): Hit | null {
    if (!this.ready) return null;
    const near: [[number, number], [number, number]] = [
      [event.point.x - 4, event.point.y - 4],
      [event.point.x + 4, event.point.y + 4],
    ];
    const pick = (layers: string[], box: typeof near | undefined) => this.map.queryRenderedFeatures(box ?? event.point, { layers })[0]?.properties;
    const request = pick(["requests"], near);
    if (request) return { layer: "request", id: String(request.request_id) };
    const facility = pick(["facilities"], near);
    if (facility) return { layer: "facility", id: String(facility.facility_id) };
    const area = pick(["areas", "areas-few"], undefined);
    return area ? { layer: "area", id: String(area.area_code) } : null;
  }

  private addImage(id: string): void {
    if (this.map.hasImage(id)) return;
    const p = palette();
    if (id === "hatch") this.map.addImage(id, drawHatch(p.hatchGround, p.hatch), { pixelRatio: 2 });
    else if (id.startsWith("kind:")) this.map.addImage(id, drawIcon(id.slice(5), p.ink, p.onInk, p.rubricRing), { pixelRatio: 2 });
  }

  private restyle(): void {
    this.ready = false;
    this.map.setStyle(styleOf(palette()), { diff: false });
  }

  private fill(): void {
    this.ready = true;
    this.addImage("hatch");
    for (const name of SOURCES) {
      const collection = this.data.get(name);
      if (collection) this.map.getSource<GeoJSONSource>(name)?.setData(collection);
    }
    this.applyVisibility();
    this.choose(this.chosen);
  }

  private applyVisibility(): void {
    for (const layer of this.map.getStyle().layers) {
      const source = "source" in layer ? (layer.source as SourceName) : null;
      if (source) this.map.setLayoutProperty(layer.id, "visibility", this.hidden.has(source) ? "none" : "visible");
    }
  }

  private relabel(areas: GeoJSON.FeatureCollection): void {
    for (const { marker } of this.labels) marker.remove();
    this.labels = [];
    for (const area of areas.features) {
      const at = area.geometry ? labelPoint(area.geometry) : null;
      const properties = area.properties as { area_name?: string; population?: number | null; coverage?: number };
      if (!at || !properties.area_name) continue;
      const element = document.createElement("div");
      element.className = "area-label";
      element.textContent = properties.area_name;
      const marker = new Marker({ element }).setLngLat(at).addTo(this.map);
      this.labels.push({ marker, at, element, rank: properties.population ?? 0 });
    }
    this.placeLabels();
  }

  private placeLabels(): void {
    const boxes = this.labels.map(({ at, element, rank }) => {
      const { x, y } = this.map.project(at);
      return { x, y, width: (element.textContent?.length ?? 0) * 7 + 14, height: 18, rank };
    });
    const kept = withoutOverlap(boxes);
    this.labels.forEach(({ element }, index) => element.classList.toggle("is-crowded", !kept.has(index)));
  }

  /** What is really drawn, for tests and for anyone who looks with developer tools. */
  private describe(): void {
    const drawn = (layer: string, key: string) => new Set(this.map.queryRenderedFeatures({ layers: [layer] }).map((feature) => String(feature.properties[key]))).size;
    const { dataset } = this.host;
    dataset.shadedAreas = String(drawn("areas", "area_code"));
    dataset.hatchedAreas = String(drawn("areas-few", "area_code"));
    dataset.drawnFacilities = String(drawn("facilities", "facility_id"));
    dataset.drawnRequests = String(drawn("requests", "request_id"));
    dataset.state = "idle";
  }
}
