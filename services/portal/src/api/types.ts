/** What the API answers, as far as the portal reads it. */

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

export type LetterState = "stored" | "read" | "located" | "approximate" | "review" | "rejected" | "refused";
export type Precision = "house" | "street" | "postcode" | "city" | "none";

export interface UploadAnswer {
  kind: "letter" | "dataset";
  id: string;
  upload_id: string;
  file_name: string;
  state: "stored" | "refused";
  reason: string | null;
  is_new: boolean;
}

export interface LetterRow {
  letter_id: string;
  file_name: string;
  state: LetterState;
  reason: string | null;
  received_at: string;
  facility_kind: string | null;
  position: Position | null;
}

export interface Position {
  longitude: number;
  latitude: number;
  precision: Precision;
  uncertainty_m: number | null;
}

export interface UploadRow {
  upload_id: string;
  letter_id: string | null;
  purpose: string;
  dataset: string | null;
  file_name: string;
  state: string;
  reason: string | null;
  received_at: string;
  landed_rows: number | null;
  rejected_rows: number | null;
}

export interface TypedAddress {
  street: string | null;
  housenumber: string | null;
  postcode: string | null;
  city: string | null;
}

export interface Candidate {
  address_id: string;
  street: string;
  housenumber: string;
  postcode: string;
  city: string;
  longitude: number | null;
  latitude: number | null;
  /** 0 to 1 */
  similarity: number | null;
}

export interface ExtractionFields extends TypedAddress {
  sender_name: string | null;
  letter_date: string | null;
  language: string | null;
  facility_kind: string | null;
}

export interface TimelineStep {
  step: string;
  at: string | null;
}

export interface Letter {
  letter_id: string;
  file_name: string;
  state: LetterState;
  reason: string | null;
  received_at: string;
  extraction: (ExtractionFields & Record<string, unknown>) | null;
  position: Position | null;
  evidence: Record<string, unknown> | null;
  candidates: Candidate[];
  corrections: (TypedAddress & { correction_id: string; action: string; reviewer: string; note: string; corrected_at: string })[];
  page_count: number;
  timeline: TimelineStep[];
}

export interface ReviewItem {
  subject_kind: "letter" | "submission";
  subject_id: string;
  file_name: string | null;
  reason_code: string | null;
  reason: string | null;
  received_at: string;
  page_count: number;
  extraction: ExtractionFields | null;
  candidates: Candidate[];
  position: { longitude: number; latitude: number; precision?: Precision } | null;
}

export interface Correction {
  action: "accept" | "correct" | "place" | "reject" | "reopen";
  sender_name?: string | null;
  street?: string | null;
  housenumber?: string | null;
  postcode?: string | null;
  city?: string | null;
  letter_date?: string | null;
  facility_kind?: string | null;
  longitude?: number;
  latitude?: number;
  note?: string;
}

export interface CoverageRow {
  area_code: string;
  area_name: string;
  facility_kind: string;
  address_point_count: number;
  covered_address_point_count: number;
  coverage_share: number | null;
  covered_population: number | null;
  population: number | null;
  request_count: number;
  median_distance_km: number | null;
}

export interface UnderservedRow {
  area_code: string;
  area_name: string;
  facility_kind: string;
  coverage_share: number | null;
  population: number | null;
  uncovered_population: number | null;
  request_count: number;
  need_rank: number;
}

export interface FacilityKind {
  facility_kind: string;
  label: string;
  /** An address within this distance is covered. */
  distance_km: number;
}

export interface AreaProperties {
  area_code: string;
  area_name: string;
  level: number | null;
  parent_code: string | null;
  population: number | null;
  address_point_count: number | null;
  area_km2: number | null;
}

export interface FacilityProperties {
  facility_id: string;
  facility_name: string | null;
  facility_kind: string;
  street: string | null;
  housenumber: string | null;
  postcode: string | null;
  city: string | null;
  area_code: string | null;
}

export interface RequestProperties {
  request_id: string;
  channel: "letter" | "web" | "phone";
  state: "located" | "approximate";
  facility_kind: string | null;
  requested_on: string | null;
  precision: Precision;
  uncertainty_m: number | null;
  area_code: string | null;
  nearest_facility_id: string | null;
  nearest_facility_distance_km: number | null;
}

export interface Catchment {
  facility_id: string;
  facility_kind: string;
  facility_name: string | null;
  address_point_count: number;
  mean_distance_km: number | null;
  max_distance_km: number | null;
  request_count: number;
}

export interface DatasetColumn {
  name: string;
  data_type?: string | null;
  description?: string | null;
}

export interface Dataset {
  name: string;
  description: string | null;
  mode: string;
  natural_key: string[] | null;
  columns: DatasetColumn[];
  newest_load: {
    state: string;
    generation: number | null;
    file_name: string | null;
    received_rows: number | null;
    landed_rows: number | null;
    rejected_rows: number | null;
    finished_at: string | null;
    reason: string | null;
  } | null;
}

export interface Rejection {
  row_number: number | null;
  reason: string;
  line: string | null;
  file_name: string | null;
}

export interface Build {
  generation: string | number;
  state: string;
  at: string;
}

export interface Status {
  letters: Record<string, number>;
  outstanding: number;
  build: Build | null;
}

export interface Readiness {
  ready: boolean;
  capabilities: { name: string; ready: boolean; detail: string | null }[];
}

export interface LetterEvent {
  letter_id: string;
  file_name: string | null;
  state: LetterState;
  reason: string | null;
  longitude: number | null;
  latitude: number | null;
  precision: Precision | null;
  facility_kind: string | null;
  at: string;
}

export interface UploadEvent {
  upload_id: string;
  letter_id?: string | null;
  purpose?: string;
  dataset?: string | null;
  file_name: string | null;
  state: string;
  reason: string | null;
  landed_rows?: number | null;
  rejected_rows?: number | null;
  at?: string;
}
