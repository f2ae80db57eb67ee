// JSON Schema 2020-12 without generated code, which the pages' policy would refuse.
export { Validator } from "@cfworker/json-schema";
