Contract: Flight version 1
  One departure of an American airline, as the US Bureau of Transportation Statistics records it.
  Owner: operations
  | field       | type          | rules                             | description                           |
  | date        | timestamp(ms) | required, event time              | departure, local time taken as UTC    |
  | delay       | int32         | required, between -1440 and 1440  | arrival, in minutes; early is below 0 |
  | distance    | int32         | required, > 0                     | in miles                              |
  | origin      | string        | required, matches '^[A-Z0-9]{3}$' |                                       |
  | destination | string        | required, matches '^[A-Z0-9]{3}$' |                                       |
  Compatibility: backward

Contract: Airport version 1
  Owner: operations
  | field | type   | rules         |
  | iata  | string | required, key |
  | name  | string | required      |
  | city  | string |               |
  | state | string |               |
  Compatibility: backward
