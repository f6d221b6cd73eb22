Contract: Customer version 1
  | field   | type                                                       |
  | tags    | list<int32>                                                |
  | address | struct<city: string, zip: int32, geo: struct<x: float32>>  |
  | history | list<struct<at: timestamp(ms), gone: string>>              |
  | pair    | struct<a: int64, b: int64>                                 |
  Compatibility: backward

Contract: Customer version 2
  | field   | type                                                                |
  | tags    | list<int64>                                                         |
  | address | struct<city: string, zip: string, geo: struct<x: float64>, c: string> |
  | history | list<struct<at: timestamp(ms), new: string>>                        |
  | pair    | struct<b: int64, a: int64>                                          |
  Compatibility: backward
