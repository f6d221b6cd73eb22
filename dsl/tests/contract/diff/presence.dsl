Contract: Payment version 1
  | field | type  | rules               |
  | a     | int64 | required            |
  | b     | int64 | required            |
  | c     | int64 |                     |
  | d     | int64 | required, default 0 |
  | e     | int64 | default 0           |
  | f     | int64 | required, default 0 |
  | g     | int64 |                     |
  | h     | float64 | default 1         |
  Compatibility: full

Contract: Payment version 2
  | field | type  | rules               |
  | a     | int64 |                     |
  | b     | int64 | required, default 0 |
  | c     | int64 | required            |
  | d     | int64 | required            |
  | e     | int64 |                     |
  | f     | int64 | required, default 1 |
  | g     | int64 | required, default 0 |
  | h     | float64 | default 1.0       |
  Compatibility: full
