/** Small plane geometry for labels and extents; exact measures are the warehouse's work. */

export type Bounds = [number, number, number, number];
type Ring = GeoJSON.Position[];

function polygonsOf(geometry: GeoJSON.Geometry): Ring[][] {
  if (geometry.type === "Polygon") return [geometry.coordinates];
  if (geometry.type === "MultiPolygon") return geometry.coordinates;
  return [];
}

function positionsOf(geometry: GeoJSON.Geometry): GeoJSON.Position[] {
  if (geometry.type === "Point") return [geometry.coordinates];
  return polygonsOf(geometry).flatMap((rings) => rings[0] ?? []);
}

/** Smallest box around all features, or null without any position. */
export function boundsOf(features: readonly GeoJSON.Feature[]): Bounds | null {
  let [west, south, east, north] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const feature of features) {
    if (!feature.geometry) continue;
    for (const [lon, lat] of positionsOf(feature.geometry)) {
      west = Math.min(west, lon!);
      south = Math.min(south, lat!);
      east = Math.max(east, lon!);
      north = Math.max(north, lat!);
    }
  }
  return Number.isFinite(west) && Number.isFinite(south) ? [west, south, east, north] : null;
}

function signedArea(ring: Ring): number {
  let sum = 0;
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i, i += 1) sum += (ring[j]![0]! - ring[i]![0]!) * (ring[j]![1]! + ring[i]![1]!);
  return sum / 2;
}

export function isInside(rings: Ring[], lon: number, lat: number): boolean {
  let inside = false;
  for (const ring of rings) {
    for (let i = 0, j = ring.length - 1; i < ring.length; j = i, i += 1) {
      const [x1, y1] = ring[i] as [number, number];
      const [x2, y2] = ring[j] as [number, number];
      if (y1 > lat !== y2 > lat && lon < ((x2 - x1) * (lat - y1)) / (y2 - y1) + x1) inside = !inside;
    }
  }
  return inside;
}

function squaredDistanceToRing(ring: Ring, x: number, y: number, squeeze: number): number {
  let best = Infinity;
  // A label needs no more than about 150 vertices of the outline.
  const stride = Math.max(1, Math.floor(ring.length / 150));
  for (let i = 0; i + stride < ring.length; i += stride) {
    const ax = ring[i]![0]! * squeeze;
    const ay = ring[i]![1]!;
    const dx = ring[i + stride]![0]! * squeeze - ax;
    const dy = ring[i + stride]![1]! - ay;
    const along = dx || dy ? Math.max(0, Math.min(1, ((x * squeeze - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy))) : 0;
    best = Math.min(best, (x * squeeze - ax - along * dx) ** 2 + (y - ay - along * dy) ** 2);
  }
  return best;
}

/** A point well inside the largest part of an area, for its name: the grid point farthest from the outline. */
export function labelPoint(geometry: GeoJSON.Geometry): [number, number] | null {
  const largest = polygonsOf(geometry).sort((a, b) => Math.abs(signedArea(b[0] ?? [])) - Math.abs(signedArea(a[0] ?? [])))[0];
  const outline = largest?.[0];
  if (!largest || !outline?.length) return null;
  const [west, south, east, north] = boundsOf([{ type: "Feature", properties: {}, geometry: { type: "Polygon", coordinates: [outline] } }])!;
  const squeeze = Math.cos((((south + north) / 2) * Math.PI) / 180);
  const cells = 14;
  let best: { at: [number, number]; distance: number } | null = null;
  for (let i = 0; i < cells; i += 1) {
    for (let j = 0; j < cells; j += 1) {
      const lon = west + ((i + 0.5) / cells) * (east - west);
      const lat = south + ((j + 0.5) / cells) * (north - south);
      if (!isInside(largest, lon, lat)) continue;
      const distance = Math.min(...largest.map((ring) => squaredDistanceToRing(ring, lon, lat, squeeze)));
      if (!best || distance > best.distance) best = { at: [lon, lat], distance };
    }
  }
  return best?.at ?? [(west + east) / 2, (south + north) / 2];
}

/** Radius on the map at zoom 0, in pixels, of a circle of `metres` at this latitude (512 px tiles). */
export function pixelsAtZoomZero(metres: number, latitude: number): number {
  return metres / (78271.517 * Math.cos((latitude * Math.PI) / 180));
}

export interface LabelBox {
  x: number;
  y: number;
  width: number;
  height: number;
  rank: number;
}

/** Which labels can stay without touching each other; a higher rank wins. */
export function withoutOverlap(boxes: readonly LabelBox[]): Set<number> {
  const kept: number[] = [];
  const order = boxes.map((_, index) => index).sort((a, b) => boxes[b]!.rank - boxes[a]!.rank);
  for (const index of order) {
    const a = boxes[index]!;
    const touches = kept.some((other) => {
      const b = boxes[other]!;
      return Math.abs(a.x - b.x) < (a.width + b.width) / 2 + 4 && Math.abs(a.y - b.y) < (a.height + b.height) / 2 + 2;
    });
    if (!touches) kept.push(index);
  }
  return new Set(kept);
}
