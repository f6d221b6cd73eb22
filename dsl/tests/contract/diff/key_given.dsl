Contract: Card version 1
  | field | type          | rules                |
  | id    | string        | required             |
  | at    | timestamp(ms) | required, event time |
  Compatibility: forward

Contract: Card version 2
  | field | type          | rules         |
  | id    | string        | required, key |
  | at    | timestamp(ms) | required      |
  Compatibility: forward
