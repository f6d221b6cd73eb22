Contract: Order version 1
  | field | type | rules              |
  | a     | int  | required, required |
