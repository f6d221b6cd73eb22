Contract: Reading version 1
  | field  | type          | rules                | tags |
  | sensor | string        |                      |      |
  | value  | int           |                      |      |
  | at     | timestamp(ms) | required, event time |      |
