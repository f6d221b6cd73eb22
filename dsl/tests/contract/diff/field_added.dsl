Contract: Order version 1
  | field | type  | rules    |
  | id    | int64 | required |
  Compatibility: backward

Contract: Order version 2
  | field    | type   | rules                   |
  | id       | int64  | required                |
  | note     | string |                         |
  | currency | string | required, default 'CAD' |
  Compatibility: backward
