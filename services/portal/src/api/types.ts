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
  dataset: string;
  file_name: string;
  state: string;
  reason: string;
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
  file_name: string;
  reason: string;
  received_at: string;
  page_count: number;
  extraction: Partial<ExtractionFields>;
  candidates: Candidate[];
  position: Position | null;
  links: Record<string, string>;
  /** Earlier decisions; only with a single subject. */
  corrections?: unknown[];
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
  request_count: number | null;
  median_distance_km: number | null;
}

export interface UnderservedRow {
  area_code: string;
  area_name: string;
  facility_kind: string;
  coverage_share: number | null;
  population: number | null;
  uncovered_population: number | null;
  request_count: number | null;
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
  request_count: number | null;
}

export interface DatasetColumn {
  name: string;
  data_type: string;
  description: string;
  aliases: string[];
  is_required: boolean;
}

export interface Dataset {
  name: string;
  description: string;
  mode: string;
  natural_key: string[];
  columns: DatasetColumn[];
  newest: {
    generation: number;
    load_id: string;
    landed_rows: number;
    rejected_rows: number;
    unknown_columns: string[];
    loaded_at: string | null;
    load_count: number;
  } | null;
}

export interface Rejection {
  row_number: number;
  line_number: number;
  line: string;
  column_name: string;
  reason: string;
}

export interface Build {
  generation: number;
  state: string;
  message: string;
}

export interface Status {
  letters: Record<string, number>;
  /** Work items per kind and state. */
  outstanding: Record<string, Record<string, number>>;
  failed: { kind: string; key: string; error: string }[];
  /** What gold is as of. */
  published: Build | null;
  newest_build: Build | null;
}

export interface Readiness {
  status: string;
  capabilities: Record<string, { is_ready: boolean; detail: string }>;
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

export interface SubmissionEvent extends Omit<LetterEvent, "letter_id" | "file_name"> {
  submission_id: string;
  channel: "web" | "phone";
}

export type UploadEvent = UploadRow;
