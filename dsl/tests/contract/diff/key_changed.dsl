Contract: Card version 1
  | field  | type          | rules                |
  | id     | string        | required, key        |
  | region | string        | required             |
  | at     | timestamp(ms) | required, event time |
  | seen   | timestamp(ms) | required             |
  Compatibility: backward

Contract: Card version 2
  | field  | type          | rules                |
  | id     | string        | required, key        |
  | region | string        | required, key        |
  | at     | timestamp(ms) | required             |
  | seen   | timestamp(ms) | required, event time |
  Compatibility: backward
