Contract: Order version 1
  | field | type  | rules    |
  | id    | int64 | required |
  Compatibility: backward

Contract: Order version 2
  | field   | type   | rules    |
  | id      | int64  | required |
  | country | string | required |
  Compatibility: backward
