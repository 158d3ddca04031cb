import { selectorContract } from "../../contracts/selector_contract.ts";
import { openNativeNode } from "../../../io/selectors/native_node.ts";

selectorContract("native selector", () => openNativeNode(), { hasSockets: true, countSends: null });
